"""The detector: from the scores of each hop to words. Generated C, its golden model, its settings.

After frontend and engine on the street that the data walks down; it knows neither of them.
"""
