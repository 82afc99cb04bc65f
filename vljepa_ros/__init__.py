# SPDX-License-Identifier: Apache-2.0
"""Video-language embeddings of a camera stream, and words for its state when that changes.

The rooms follow the road that a frame takes, and each imports only those before it: `stream`
(numpy: images, clips, change detection), `runtime` (bundles and backends that run the model) and
`nodes` (ROS 2). `recordings` reads videos and bags, `model`, `training` and `recipes` (torch) make
the bundles, `evaluation` measures them, `views` draws, `demo` shows everything at once. Importing
this package loads none of them.
"""

__version__ = "0.1.0"
