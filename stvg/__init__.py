"""The shared language of stvg: types, formats, metrics, fusion and the assembly of both stages."""
