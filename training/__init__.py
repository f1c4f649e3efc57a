"""Audio -> log-mel -> BC-ResNet -> checkpoint. Knows nothing of TFLite or C."""
from common.interrupts import end_while_loading

end_while_loading()
