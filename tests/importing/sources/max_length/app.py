from maxfw.core import MAXApp
from api import ModelPredictAPI
from config import API_TITLE

max_app = MAXApp(API_TITLE, "", "")
max_app.run()
