package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// The image and prediction of the recorded Python exchange "ok".
func TestRecordedFields(t *testing.T) {
	const recorded = `{"image":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v","prediction":-1.0}`
	var got ImageSynapse
	if err := json.Unmarshal([]byte(recorded), &got); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 48)
	for i := range want {
		want[i] = byte(i)
	}
	data, err := got.JPEG()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Fatalf("image %v, want %v", data, want)
	}
	if sent := NewImageSynapse(want); sent != got {
		t.Fatalf("our synapse %+v, recorded %+v", sent, got)
	}
}

func TestJPEGRefusals(t *testing.T) {
	if _, err := (ImageSynapse{}).JPEG(); !errors.Is(err, ErrNoImage) {
		t.Errorf("empty image: %v", err)
	}
	if _, err := (ImageSynapse{Image: "not base64!"}).JPEG(); err == nil {
		t.Error("broken base64 was accepted")
	}
	if _, err := (ImageSynapse{Image: strings.Repeat("A", 4+(MaxImageBytes+3)/3*4)}).JPEG(); err == nil {
		t.Error("an image over the limit was accepted")
	}
}

func FuzzJPEG(f *testing.F) {
	f.Add("AAEC")
	f.Add("====")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := ImageSynapse{Image: text}.JPEG()
		if err != nil {
			return
		}
		again, err := NewImageSynapse(data).JPEG()
		if err != nil || !bytes.Equal(again, data) {
			if len(data) > 0 {
				t.Fatalf("%q does not survive a round trip: %v", text, err)
			}
		}
	})
}
