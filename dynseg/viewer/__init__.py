"""The viewer: a slider that walks through a segmentation hierarchy, as one HTML file or as a part of another page."""
