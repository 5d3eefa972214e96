package transform_test

import (
	"fmt"
	"image"
	"log"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/media/transform"
)

func ExampleParseAugmentation() {
	augmentation, err := transform.ParseAugmentation("robust,webp=0,colours=0,spectrum=0")
	if err != nil {
		log.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 384, 384)) // from package decode
	recipe := augmentation.Draw(rand.New(rand.NewPCG(1, 2)), 384, 384, 224)
	var augmenter transform.Augmenter
	out, err := augmenter.Apply(img, recipe, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(augmentation, out.Rect)
	// Output: robust,colours=0,spectrum=0,webp=0 (0,0)-(224,224)
}

func ExampleDegrade() {
	img := image.NewRGBA(image.Rect(0, 0, 400, 300)) // from package decode
	small, err := transform.Degrade(transform.TierThumb128, img, 1, "a picture's name")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(small.Rect)
	// Output: (0,0)-(128,96)
}
