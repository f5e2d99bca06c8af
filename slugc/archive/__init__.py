"""Archives: deterministic tar frames out, a strict reader in. The only files that import tarfile
or tarsafe.

``extract`` unpacks any archive, ``writer.write_tree`` packs one layer, ``scan.scan_tree`` looks at
a tree and refuses what could not be unpacked again.
"""
