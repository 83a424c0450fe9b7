"""What a model directory says, and what images and host agree on."""
