# Put the image into the state tree, or name a URL and its checksum: source: https://…, source_hash: sha512:…
images:
  debian-11:
    source: salt://images/debian-11.qcow2
