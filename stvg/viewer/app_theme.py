"""Fonts, colours and styles of the app's form."""

LOOK = {
    "primary_hue": "emerald",
    "neutral_hue": "gray",
    "font": ["system-ui", "sans-serif"],
    "font_mono": ["ui-monospace", "monospace"],
}
COLOURS = {
    "body_background_fill": "#f6f6f3",
    "body_background_fill_dark": "#121518",
    "block_background_fill_dark": "#1b1f24",
    "input_background_fill_dark": "#121518",
    "button_primary_background_fill": "#1b2026",
    "button_primary_background_fill_hover": "#3a434d",
    "button_primary_text_color": "#ffffff",
    "button_primary_background_fill_dark": "#e9ebee",
    "button_primary_background_fill_hover_dark": "#ffffff",
    "button_primary_text_color_dark": "#121518",
}
"""As in the report's page (stvg/viewer/page/static/page.css), so that form and answer look the same."""
STYLE = """
.gradio-container { max-width: 87rem !important; }
@media (max-width: 44rem) { .gradio-container > .main { padding: 1rem .75rem !important; } }
#page, #line, #page .html-container, #line .html-container { padding: 0 !important; }
.answer { display: block; width: 100%; height: min(62rem, 88vh); border: 0; }
.refused { color: #b3372c; font-weight: 600; } .answered { font-weight: 600; } .quiet { opacity: .75; }
#preview video { width: 100%; max-height: 18rem; background: #000; border-radius: 6px; }
#line { min-height: 5rem; }
@media (prefers-color-scheme: dark) { .refused { color: #ff8a7d; } }
"""
