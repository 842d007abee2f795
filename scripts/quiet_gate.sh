#!/usr/bin/env bash
# OUT PICTURE...: nearly static videos of each picture, as cameras see an empty place: night with sensor noise at a low bit rate,
# infrared with a lamp's vignette, rain, lights that switch every few seconds, a pole that sways. Whatever a gate camera tells of
# them is false. SECONDS_EACH (default 60) and FPS (10) of each.
set -euo pipefail
out=${1:?quiet_gate: expected OUT PICTURE...}
shift
[ $# -gt 0 ] || { echo "quiet_gate: expected pictures after $out" >&2; exit 2; }
seconds=${SECONDS_EACH:-60} fps=${FPS:-10}
mkdir -p "$out"
base="scale=1280:720:force_original_aspect_ratio=increase,crop=1280:720,fps=$fps,format=yuv420p"
sway="scale=1296:730,crop=1280:720:8+2.5*sin(2*PI*0.8*t):5+1.5*sin(2*PI*1.1*t)"
# Drops are single pixels that are drawn out along their way.
rain="nullsrc=1280x720:r=$fps,format=gray,geq=lum='if(gt(random(1),0.9985),255,0)',dblur=angle=82:radius=14,eq=brightness=-0.02:contrast=6,format=yuv420p"
make() { # NAME PICTURE FILTER RATE
    local file=$out/$(basename "${2%.*}")-$1.mp4
    [ -s "$file" ] && return
    ffmpeg -nostdin -v error -y -loop 1 -t "$seconds" -i "$2" -filter_complex "$3" -c:v libx264 -preset veryfast -b:v "$4" -maxrate "$4" -bufsize "$4" \
        -g 50 -an -t "$seconds" "$file.part.mp4"
    mv "$file.part.mp4" "$file"
    echo "$file"
}
for picture in "$@"; do
    make night "$picture" "$base,eq=brightness=-0.3:contrast=0.55:saturation=0.5,noise=alls=26:allf=t" 600k
    make infrared "$picture" "$base,hue=s=0,eq=contrast=0.8,vignette=PI/4,noise=alls=16:allf=t" 1000k
    make rain "$picture" "[0]$base,eq=brightness=-0.08:saturation=0.7,noise=alls=8:allf=t[a];$rain[b];[a][b]blend=all_mode=screen:shortest=1" 1000k
    make lights "$picture" "$base,eq=brightness='if(lt(mod(t,9),4.5),-0.02,-0.3)+0.05*lt(mod(t,2.3),0.2)':eval=frame,noise=alls=14:allf=t" 1000k
    make sway "$picture" "$base,$sway,noise=alls=8:allf=t" 1500k
done
