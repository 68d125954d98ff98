"""A loop: what the camera shows, and what to do about it.

`python loop.py model.onnx 0`, or `fake:640x480@30` for a camera that is made up.
"""

import sys

from edgecnn import Classifier, EdgeCNNError

model, *sources = sys.argv[1:] or sys.exit(__doc__)
try:
    with Classifier(model) as classifier, classifier.stream(*sources) as answers:
        for _frame, prediction in answers:
            if prediction.status == "ok":
                print(f"{prediction.source}: {prediction.label} ({prediction.score:.2f})", flush=True)
            else:  # unknown, no_decision, error: nothing may be switched on for these
                print(f"{prediction.source}: {prediction.status}: {prediction.reason}", flush=True)
except EdgeCNNError as error:
    sys.exit(f"loop: {error}")
