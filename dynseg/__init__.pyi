from . import metrics as metrics
from .api import apply_model as apply_model
from .api import fit as fit
from .api import segment as segment
from .api import segment_large as segment_large
from .api import segment_many as segment_many
from .api import segment_regions as segment_regions
from .errors import UserError as UserError
from .hierarchy import Hierarchy as Hierarchy
from .io.hierarchies import read_hierarchy as read_hierarchy
from .io.images import read_image as read_image
from .large import LargeSegmentation as LargeSegmentation
from .model import Model as Model
from .model import load_model as load_model
from .model import save_model as save_model
from .result import Segmentation as Segmentation

__version__: str
