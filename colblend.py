import numpy as np, torch
from pathlib import Path
from diptych import images, metrics
from diptych.metrics.interval import bootstrap
import sys
sys.path.insert(0,'/work/h/me/benchmarks')
M={n:metrics.find(n).measure for n in ("lpips_squeeze","features_resnet_nsfw","psnr")}
R={}
for p in sorted(Path('/tmp/s6/o-colorize').glob('*.png'))[::2]:
    a=images.read(p).array; w=a.shape[1]//4
    src,mod,grey,tgt=(a[:,k*w:(k+1)*w] for k in range(4))
    t=images.to_unit(tgt,0,255)[None]
    for s in (0,0.3,0.5,0.7,1):
        x=(grey+s*(mod.astype(float)-grey)).clip(0,255).round().astype(np.uint8)
        for n,m in M.items(): R.setdefault((n,s),[]).append(float(m(images.to_unit(x,0,255)[None],t)))
for n in M:
    for s in (0.3,0.5,0.7,1): 
        d=np.array(R[n,s])-np.array(R[n,0]); print(n,s,round(np.mean(R[n,s]),4),'vs',round(np.mean(R[n,0]),4),[round(v,4) for v in bootstrap(d)])
