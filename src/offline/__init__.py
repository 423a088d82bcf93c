"""The road of Ascend 310: record files to folders of raw arrays, folders of raw results to scores."""
