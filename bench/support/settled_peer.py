"""python_peer.py on one source in real time, its looks counted only after it has settled: `settled_peer.py PEER SETTLE_S ARGUMENTS...`"""

import importlib.util
import json
import sys
import time

spec = importlib.util.spec_from_file_location("python_peer", sys.argv[1])
peer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(peer)
settle = float(sys.argv[2])
begun = None
looks = []


def look(*_):
    global begun
    now = time.time()
    begun = begun or now
    looks.append(now)


peer.pipeline(peer.arguments(sys.argv[3:]), on_alert=lambda _: None, on_frame=look)
end = time.time()
counted = [at for at in looks if at >= begun + settle]
print(json.dumps({"looks": len(counted), "seconds": end - begun - settle}))
