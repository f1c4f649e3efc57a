"""Audio -> log-mel -> BC-ResNet -> checkpoint. Independent of TFLite and C."""

from common.interrupts import end_while_loading

end_while_loading()
