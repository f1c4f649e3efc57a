"""Audio -> log-mel -> BC-ResNet -> checkpoint. Knows nothing of TFLite or C."""
