from dynseg import metrics as metrics
from dynseg.api import apply_model as apply_model
from dynseg.api import fit as fit
from dynseg.api import segment as segment
from dynseg.api import segment_many as segment_many
from dynseg.errors import UserError as UserError
from dynseg.hierarchy import Hierarchy as Hierarchy
from dynseg.io.hierarchies import read_hierarchy as read_hierarchy
from dynseg.io.images import read_image as read_image
from dynseg.model import Model as Model
from dynseg.model import load_model as load_model
from dynseg.model import save_model as save_model
from dynseg.result import Segmentation as Segmentation

__version__: str
