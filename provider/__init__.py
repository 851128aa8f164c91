"""The service next to the data: decides, runs, gates, signs, anchors."""
