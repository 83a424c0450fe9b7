"""The runner inside a train image: calls the train function, and lets its binary appear whole or not at all."""
