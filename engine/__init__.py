"""The native engine: BC-ResNet in integers, a column at a time; the same bits in NumPy, in C on the host and on every Cortex-M."""
