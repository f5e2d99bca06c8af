"""Slugs on their way to and from other worlds: Heroku's layout, OCI images, registries, trees.

``targets`` says where something goes, ``image`` what an image of a slug is; ``slug_layers`` and
``start_layer`` make its layers, ``base_image`` reads what they stand on. The writers are
``oci_layout``, ``docker_archive``, ``dockerfile`` and ``registry``. ``rebase`` changes what an
image stands on; ``slug_import`` makes slugs of what comes from elsewhere.
"""
