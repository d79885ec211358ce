#!/bin/sh
# Makes ready models, from nothing to the folders in src/diptych/model/ready that the package brings along:
#
#     recipes/ready/make.sh NAME... [--work FOLDER] [--kodak FOLDER]
#
# NAME: street, street-night, emoji-colour, emoji-shade; and with Kodak's 24 photographs in a folder (kodak, if it is not
# said) enlarge, denoise, dejpeg, brushstrokes. Data and runs are kept in FOLDER (by default runs/ready); what is there
# already is not made again.
set -eu
cd "$(dirname "$0")/../.."
work=runs/ready
kodak=kodak
names=
while [ $# -gt 0 ]; do
    case "$1" in
        --work) work=$2; shift ;;
        --kodak) kodak=$2; shift ;;
        *) names="$names $1" ;;
    esac
    shift
done
author="the authors of Diptych"
free="73 tiles of 38 free photographs (recipes/ready/photos.py): 20 of Kodak's, and others under CC BY, CC0 or in the public \
domain by A. Berasategi, Trevor 'Freespace', C. Engelhardt, J. Mede, N. Dilmen, NASA, SpaceX, L. Varshney, S. van der Walt, \
R. Michetti, danielbuechele, vultilion, public-domain-image.com"
fluent="Fluent Emoji, Copyright (c) Microsoft Corporation, MIT"

data() { # NAME COMMAND...: the samples of that name
    at=$work/data/$1
    shift
    test -d "$at" || diptych data samples "$@" --size 128 --out "$at"
}

make() { # NAME DATA EXAMPLE EXAMPLE EXAMPLE WORD=...: train, score, state, pack
    name=$1 at=$work/data/$2 first=$3 second=$4 third=$5
    shift 5
    mkdir -p "$work"
    start=$(date +%s)
    diptych train "recipes/ready/$name.yaml" --data "$at" --out "$work/$name"
    echo "$name: trained in $(($(date +%s) - start)) s"
    diptych evaluate "$work/$name" --data "$at" --json >"$work/$name.json"
    diptych card "$work/$name" author="$author" "$@"
    diptych models pack "$work/$name" --half --scores "$work/$name.json" --out "src/diptych/model/ready/$name" \
        --example "$at/$first.png" --example "$at/$second.png" --example "$at/$third.png"
}

photos() { # free photographs, in $at
    at=$work/data/free/photos
    test -d "$at" || python recipes/ready/photos.py --kodak "$kodak" --out "$work/data/free" --packages "$work/packages"
}

restore() { # NAME LIMITS: a task that free photographs are learned for
    photos
    make "$1" free/photos "../examples/$1-23" "../examples/$1-08" "../examples/$1-05" licence="Apache-2.0" \
        intended_use="photographs" limits="$2" data_origin="$free"
    show "$1"
}

show() { # NAME: a preview of the examples, in place of one of the photographs that it was validated on
    python -c 'import sys; from pathlib import Path; from diptych import Translator, images
place = Path(sys.argv[1])
model = Translator.load(place, device="cpu")
shown = [images.read(path).array for path in sorted(place.glob("example-*"))]
images.write(place / "preview.png", images.reduced(images.grid([[one, model(one).array] for one in shown]), 640))' "src/diptych/model/ready/$1"
}

small() { # PICTURE OUT: half as high and wide
    python -c 'import sys; from diptych import images
array = images.read(sys.argv[1]).array
images.write(sys.argv[2], images.resize(array, *(side // 2 for side in array.shape[:2])))' "$1" "$2"
}

for name in $names; do
    case "$name" in
        street)
            data streets street --count 1500
            make street streets test/labels/0001 test/labels/0002 test/labels/0003 licence="Apache-2.0" \
                intended_use="trying Diptych; sketching streets of an imagined town" \
                limits="learned from drawn streets of 128x128 pixels and their 16 classes; photographs were never tried" \
                data_origin="1500 streets drawn by diptych data samples street, no photographs"
            ;;
        street-night)
            data heaps street --count 1500 --unpaired
            make street-night heaps test/day/0003 test/day/0013 test/day/0023 licence="Apache-2.0" \
                intended_use="trying Diptych, and training without pairs" \
                limits="learned from drawn streets of 128x128 pixels; photographs were never tried" \
                data_origin="1500 streets drawn by diptych data samples street, no photographs"
            ;;
        emoji-colour)
            data colour emoji
            make emoji-colour colour test/silhouette/rocket test/silhouette/beer-mug test/silhouette/leafy-green licence="$fluent" \
                intended_use="colouring black drawings in the manner of emoji" \
                limits="learned from 1346 emoji of one style, black on white, 128x128 pixels; its colours are guesses" \
                data_origin="$fluent: @iconify-json/fluent-emoji-high-contrast and -flat"
            ;;
        emoji-shade)
            data shade emoji --sides flat,shaded
            make emoji-shade shade test/flat/fire-engine test/flat/red-heart test/flat/pig-nose licence="$fluent" \
                intended_use="shading flat drawings in the manner of emoji" \
                limits="learned from 2641 emoji of one style, on white, 128x128 pixels; photographs were never tried" \
                data_origin="$fluent: @iconify-json/fluent-emoji-flat and fluent-emoji"
            ;;
        brushstrokes)
            photos
            test -d "$work/data/night" || diptych data samples paintings --count 1 --size 512 --out "$work/data/night"
            art=$work/data/night/0000.png
            diptych train "recipes/ready/$name.yaml" --data "$at/train" --style "$art" --out "$work/$name"
            python benchmarks/style.py "$at/test" --model "$work/$name" --art "$art" --json "$work/$name.json"
            diptych card "$work/$name" author="$author" licence="Apache-2.0" \
                intended_use="painting photos in brush strokes, and trying Diptych" \
                limits="learned from photos of 256x256 pixels; strokes keep their size in larger ones" \
                data_origin="$free; and a painting drawn by diptych data samples paintings"
            for shown in 08 19 23; do small "$at/test/$shown.png" "$work/$shown.png"; done
            diptych models pack "$work/$name" --half --scores "$work/$name.json" --out "src/diptych/model/ready/$name" \
                --example "$work/08.png" --example "$work/19.png" --example "$work/23.png"
            show "$name"
            ;;
        enlarge) restore enlarge "learned from photos reduced by bicubic interpolation: noise and marks of JPEG are enlarged too" ;;
        denoise) restore denoise "learned from noise of each value for itself, to a deviation of 50: that of cameras is coarser" ;;
        dejpeg) restore dejpeg "learned from photos compressed once, at a quality of 10 to 80" ;;
        *)
            echo "there is no ready model $name: see $0" >&2
            exit 2
            ;;
    esac
    case "$name" in emoji-*) cp "$at/LICENCE.txt" src/diptych/model/ready/FLUENT-EMOJI-LICENCE.txt ;; esac
done
