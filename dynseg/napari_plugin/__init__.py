"""The napari plugin: regions of an image layer as a labels layer, with a slider through the hierarchy."""
