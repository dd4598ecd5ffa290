"""Readers of annotated data sets: this package's folder layout, COCO, PhraseCut and Pascal VOC."""
