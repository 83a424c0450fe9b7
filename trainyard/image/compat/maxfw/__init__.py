"""What a MAX model imports from ``maxfw``, whose server needs a Flask that ours cannot live with: the wrapper."""
