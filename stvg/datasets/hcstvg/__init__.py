"""The data kit: HC-STVG (and VidSTG) as their authors publish them, checked and laid out as recipes expect them."""
