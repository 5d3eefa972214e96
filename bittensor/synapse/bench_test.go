package synapse

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// BenchmarkAxon measures a no-op handler behind full checks, signatures
// included, over 256 kept-alive connections. Requests are signed beforehand, so
// that the client costs as little as it can; it shares the machine's cores
// with the axon. bench/axonload measures an axon in another process, Python's
// too.
func BenchmarkAxon(b *testing.B) {
	const conns = 256
	bob, alice := keypair(b, "//Bob"), keypair(b, "//Alice")
	a, err := NewAxon(AxonConfig{Signer: bob})
	if err != nil {
		b.Fatal(err)
	}
	noop := func(context.Context, *ImageSynapse, Caller) error { return nil }
	if err := Handle(a, Handler[ImageSynapse]{Forward: noop}); err != nil {
		b.Fatal(err)
	}
	addr := serve(b, a)
	requests := signedRequests(b, alice, bob, addr, b.N+conns)

	var next atomic.Int64
	took := make([]time.Duration, b.N)
	var wg, warm sync.WaitGroup
	warm.Add(conns)
	begin := make(chan struct{})
	for c := range conns {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr.String())
			if err != nil {
				b.Error(err)
				warm.Done()
				return
			}
			defer conn.Close()
			r := bufio.NewReader(conn)
			// One request to open the connection, not measured.
			if _, err = conn.Write(requests[b.N+c]); err == nil {
				err = readOK(r)
			}
			warm.Done()
			if err != nil {
				b.Error(err)
				return
			}
			<-begin
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				start := time.Now()
				if _, err := conn.Write(requests[i]); err != nil {
					b.Error(err)
					return
				}
				if err := readOK(r); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	warm.Wait()
	b.ResetTimer()
	close(begin)
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// signedRequests builds n requests, each a stream of its own.
func signedRequests(b *testing.B, from, to *wallet.Keypair, addr netip.AddrPort, n int) [][]byte {
	b.Helper()
	d := NewDendrite(DendriteConfig{Signer: from})
	q, err := newQuery(d, ImageSynapse{Image: recordedImage, Prediction: -1}, 2*time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	requests := make([][]byte, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				c := call{query: q, target: Target{to.AccountID(), addr}}
				r, err := c.request(fmt.Sprintf("%08x-0000-0000-0000-000000000000", i))
				if err != nil {
					b.Error(err)
					return
				}
				var w writer
				if err := r.Write(&w); err != nil {
					b.Error(err)
				}
				requests[i] = w
			}
		})
	}
	wg.Wait()
	return requests
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// readOK passes one answer of status 200.
func readOK(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && string(line[:min(15, len(line))]) != "HTTP/1.1 200 OK" {
			return fmt.Errorf("answer %q", line)
		}
		if len(line) == 2 {
			break
		}
		if len(line) > 16 && (line[0]|0x20) == 'c' && string(line[8:16]) == "Length: " {
			length = 0
			for _, c := range line[16 : len(line)-2] {
				length = length*10 + int(c-'0')
			}
		}
	}
	if length < 0 {
		return io.ErrUnexpectedEOF
	}
	_, err := r.Discard(length)
	return err
}

// BenchmarkDendrite256 asks 256 axons at once with the payload of a 256-px
// photograph in JPEG (20 KB, 27 KB in base64), which all send it back as axons
// do. The axons run in the same process: their work, signature checks
// included, is part of the time.
func BenchmarkDendrite256(b *testing.B) {
	alice := keypair(b, "//Alice")
	jpeg := make([]byte, 20<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(jpeg)
	synapse := ImageSynapse{Image: base64.StdEncoding.EncodeToString(jpeg), Prediction: -1}
	var targets []Target
	for i := range 256 {
		k := keypair(b, fmt.Sprintf("//Miner%d", i))
		a := recordedAxon(b, AxonConfig{Signer: k}, keypair(b, "//Charlie").AccountID())
		targets = append(targets, Target{k.AccountID(), serve(b, a)})
	}
	d := NewDendrite(DendriteConfig{Signer: alice})
	defer d.Close()
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range Query(context.Background(), d, targets, synapse, 12*time.Second) {
			if r.Err != nil || r.Synapse.Prediction != 0.875 {
				b.Fatal(r.Err, r.Synapse.Prediction)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/fan-out")
}
