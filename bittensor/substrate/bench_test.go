package substrate_test

import (
	"bytes"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
)

// BenchmarkDecodeMetadata reads the metadata of runtime 381's recorded facts.
func BenchmarkDecodeMetadata(b *testing.B) {
	data, err := substratetest.Metadata(b, 381).Encode(15)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := substrate.DecodeMetadata(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeNeurons reads get_neurons_lite for 256 neurons.
func BenchmarkDecodeNeurons(b *testing.B) {
	m := substratetest.Metadata(b, 293)
	api, err := m.API("NeuronInfoRuntimeApi", "get_neurons_lite")
	if err != nil {
		b.Fatal(err)
	}
	var f struct {
		Calls []struct{ Method, Result string }
	}
	substratetest.Load(b, "runtime_api.json", &f)
	var five []byte
	for _, c := range f.Calls {
		if c.Method == "get_neurons_lite" && len(c.Result) > 100 {
			five = unhex(b, c.Result)
		}
	}
	// The record has five; repeat them behind the compact length of 255.
	data := append([]byte{0xfd, 0x03}, bytes.Repeat(five[1:], 51)...)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := m.DecodeAll(api.Output, data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeSetWeights builds the call for 256 uids.
func BenchmarkEncodeSetWeights(b *testing.B) {
	m := substratetest.Metadata(b, 293)
	uids, weights := make([]uint16, 256), make([]uint16, 256)
	for i := range uids {
		uids[i], weights[i] = uint16(i), uint16(i*255)
	}
	call := substrate.Call{Pallet: "SubtensorModule", Name: "set_weights", Args: substrate.Record{
		{Name: "netuid", Value: 34}, {Name: "dests", Value: uids}, {Name: "weights", Value: weights}, {Name: "version_key", Value: 0}}}
	for b.Loop() {
		if _, err := m.EncodeCall(call); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStorageKey computes a double map's key.
func BenchmarkStorageKey(b *testing.B) {
	m := substratetest.Metadata(b, 293)
	for b.Loop() {
		if _, err := m.StorageKey("SubtensorModule", "Uids", 34, ss58.AccountID{1}); err != nil {
			b.Fatal(err)
		}
	}
}
