from core.model import ModelWrapper

from maxfw.core import MAX_API, PredictAPI
from werkzeug.datastructures import FileStorage

input_parser = MAX_API.parser()
input_parser.add_argument('file', type=FileStorage, location='files', required=True)


class ModelPredictAPI(PredictAPI):

    model_wrapper = ModelWrapper()

    @MAX_API.expect(input_parser)
    def post(self):
        """Make a prediction given input data"""
        preds = self.model_wrapper.predict(input_parser.parse_args()['file'].read())
        return {'status': 'ok', 'predictions': preds}
