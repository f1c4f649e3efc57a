"""The native engine: BC-ResNet in integers, a column at a time; the same bits in NumPy, in C and on every Cortex-M."""

from common.interrupts import end_while_loading

end_while_loading()
