#!/bin/sh
# Makes ready models, from nothing to the folders in src/diptych/model/ready that the package brings along:
#
#     recipes/ready/make.sh NAME... [--work FOLDER] [--photos FOLDER]
#
# NAME: street, street-night, emoji-colour, emoji-shade, brushstrokes. Data and runs are kept in FOLDER (by default
# runs/ready); what is there already is not made again. For brushstrokes the photos' folder has train/ and test/.
set -eu
cd "$(dirname "$0")/../.."
work=runs/ready
photos=
names=
while [ $# -gt 0 ]; do
    case "$1" in
        --work) work=$2; shift ;;
        --photos) photos=$2; shift ;;
        *) names="$names $1" ;;
    esac
    shift
done
author="the authors of Diptych"
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
        --example "$at/test/$first.png" --example "$at/test/$second.png" --example "$at/test/$third.png"
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
            make street streets labels/0001 labels/0002 labels/0003 licence="Apache-2.0" \
                intended_use="trying Diptych; sketching streets of an imagined town" \
                limits="learned from drawn streets of 128x128 pixels and their 16 classes; photographs were never tried" \
                data_origin="1500 streets drawn by diptych data samples street, no photographs"
            ;;
        street-night)
            data heaps street --count 1500 --unpaired
            make street-night heaps day/0003 day/0013 day/0023 licence="Apache-2.0" \
                intended_use="trying Diptych, and training without pairs" \
                limits="learned from drawn streets of 128x128 pixels; photographs were never tried" \
                data_origin="1500 streets drawn by diptych data samples street, no photographs"
            ;;
        emoji-colour)
            data colour emoji
            make emoji-colour colour silhouette/rocket silhouette/beer-mug silhouette/leafy-green licence="$fluent" \
                intended_use="colouring black drawings in the manner of emoji" \
                limits="learned from 1346 emoji of one style, black on white, 128x128 pixels; its colours are guesses" \
                data_origin="$fluent: @iconify-json/fluent-emoji-high-contrast and -flat"
            ;;
        emoji-shade)
            data shade emoji --sides flat,shaded
            make emoji-shade shade flat/fire-engine flat/red-heart flat/pig-nose licence="$fluent" \
                intended_use="shading flat drawings in the manner of emoji" \
                limits="learned from 2641 emoji of one style, on white, 128x128 pixels; photographs were never tried" \
                data_origin="$fluent: @iconify-json/fluent-emoji-flat and fluent-emoji"
            ;;
        brushstrokes)
            test -n "$photos" || { echo "brushstrokes learns from photos: name their folder by --photos" >&2; exit 2; }
            mkdir -p "$work"
            test -d "$work/data/night" || diptych data samples paintings --count 1 --size 512 --out "$work/data/night"
            art=$work/data/night/0000.png at=$photos/test
            diptych train "recipes/ready/$name.yaml" --data "$photos/train" --style "$art" --out "$work/$name"
            python benchmarks/style.py "$at" --model "$work/$name" --art "$art" --json "$work/$name.json"
            diptych card "$work/$name" author="$author" licence="Apache-2.0" \
                intended_use="painting photos in brush strokes, and trying Diptych" \
                limits="learned from about a hundred photos of 256x256 pixels; strokes keep their size in larger ones" \
                data_origin="about a hundred free photos: Kodak's, CC0, public domain, CC BY, Expat; a painting drawn by Diptych"
            for shown in kodim08 kodim19 kodim23; do small "$at/$shown.png" "$work/$shown.png"; done
            diptych models pack "$work/$name" --half --scores "$work/$name.json" --out "src/diptych/model/ready/$name" \
                --example "$work/kodim08.png" --example "$work/kodim19.png" --example "$work/kodim23.png"
            ;;
        *)
            echo "there is no ready model $name: see $0" >&2
            exit 2
            ;;
    esac
    case "$name" in emoji-*) cp "$at/LICENCE.txt" src/diptych/model/ready/FLUENT-EMOJI-LICENCE.txt ;; esac
done
