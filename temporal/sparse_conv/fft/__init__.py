"""Map convolution by tiles in the frequency domain."""
