# Flask settings
DEBUG = False

# API metadata
API_TITLE = 'MAX Length'

# default model
MODEL_NAME = 'limit.json'
DEFAULT_MODEL_PATH = 'assets/{}'.format(MODEL_NAME)
