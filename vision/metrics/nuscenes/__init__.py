"""Average precision by centre distance, errors of what is found, and nuScenes' detection score."""
