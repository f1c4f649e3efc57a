"""What the models are worth on real audio, what they cost, and the report that says so."""
from common.interrupts import end_while_loading

end_while_loading()
