import json
import logging

from config import DEFAULT_MODEL_PATH
from maxfw.model import MAXModelWrapper

from core.words import count

logger = logging.getLogger()


class ModelWrapper(MAXModelWrapper):

    MODEL_META_DATA = {
        'id': 'max-length',
        'name': 'MAX Length',
        'description': 'Judges the length of a text',
        'type': 'Text Classification',
        'source': 'made up',
        'license': 'Apache 2.0'
    }

    def __init__(self, path=DEFAULT_MODEL_PATH):
        logger.info('Loading model from: {}...'.format(path))
        with open(path) as file:
            self.limit = json.load(file)['limit']
        logger.info('Loaded model')

    def _pre_process(self, inp):
        return inp.decode()

    def _post_process(self, result):
        return [{'label_id': '1', 'label': result, 'probability': 1.0}]

    def _predict(self, x):
        return 'long' if count(x) > self.limit else 'short'
