"""The detector: from the scores of each hop to words. Generated C, its golden model, its settings.

It knows neither features nor network; the engine's self-test runs it on the scores of its stream.
"""
