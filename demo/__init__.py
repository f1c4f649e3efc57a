"""The firmware before it is flashed: in a browser, as WebAssembly, and in a terminal, with the host's microphone."""

from common.interrupts import end_while_loading

end_while_loading()
