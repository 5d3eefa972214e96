// Command axonload drives axons and dendrites for comparison with the Python
// SDK: the same load goes to either axon, the same axons answer either
// dendrite. See bench/run.sh, which runs it.
//
//	axonload -mode axon -addr 127.0.0.1:9100        serve a no-op axon
//	axonload -mode load -addr 127.0.0.1:9100 -n 20000   drive an axon there
//	axonload -mode axons -axons 256                 serve 256 axons, addresses on stdout
//	axonload -mode fanout -axons 256 -n 20          ask 256 such axons, read from stdin
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// ImageSynapse is the payload of both comparisons.
type ImageSynapse struct {
	Image      string  `json:"image"`
	Prediction float64 `json:"prediction"`
}

type options struct {
	mode, addr string
	conns, n   int
	axons      int
	bytes      int
}

// figures is what one measurement prints, as one line of JSON.
type figures struct {
	Requests  int     `json:"requests"`
	PerSecond float64 `json:"per_second,omitempty"`
	MedianMS  float64 `json:"median_ms"`
	P99MS     float64 `json:"p99_ms,omitempty"`
}

func main() {
	var o options
	flag.StringVar(&o.mode, "mode", "", "axon, load, axons or fanout")
	flag.StringVar(&o.addr, "addr", "127.0.0.1:9100", "the axon's address")
	flag.IntVar(&o.conns, "conns", 256, "kept-alive connections")
	flag.IntVar(&o.n, "n", 20000, "requests (load) or fan-outs (fanout)")
	flag.IntVar(&o.axons, "axons", 256, "axons to serve or ask")
	flag.IntVar(&o.bytes, "bytes", 64, "size of the image in bytes; base64 makes it a third larger")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "axonload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	switch o.mode {
	case "axon":
		return serve(ctx, "//Bob", o.addr, nil)
	case "axons":
		return serveMany(ctx, o.axons)
	case "load":
		return load(o)
	case "fanout":
		return fanout(ctx, o)
	}
	return fmt.Errorf("unknown -mode %q; try: axon, load, axons or fanout", o.mode)
}

// image is a payload of o.bytes bytes that doesn't compress, in base64.
func (o options) image() string {
	data := make([]byte, 0, o.bytes+32)
	for i := 0; len(data) < o.bytes; i++ {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
		data = append(data, sum[:]...)
	}
	return base64.StdEncoding.EncodeToString(data[:o.bytes])
}

func serve(ctx context.Context, uri, addr string, ready func(synapse.Target)) error {
	key, err := wallet.FromURI(uri)
	if err != nil {
		return err
	}
	axon, err := synapse.NewAxon(synapse.AxonConfig{Signer: key})
	if err != nil {
		return err
	}
	noop := func(context.Context, *ImageSynapse, synapse.Caller) error { return nil }
	if err := synapse.Handle(axon, synapse.Handler[ImageSynapse]{Forward: noop}); err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(synapse.Target{Hotkey: key.AccountID(), Addr: l.Addr().(*net.TCPAddr).AddrPort()})
	}
	return axon.Serve(ctx, l)
}

// target is one axon on the wire between the modes axons and fanout.
type target struct {
	Hotkey string `json:"hotkey"`
	IP     string `json:"ip"`
	Port   uint16 `json:"port"`
}

func serveMany(ctx context.Context, n int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var all []target
	errs := make(chan error, n)
	for i := range n {
		go func() {
			errs <- serve(ctx, fmt.Sprintf("//Miner%d", i), "127.0.0.1:0", func(t synapse.Target) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, target{t.Hotkey.String(), t.Addr.Addr().String(), t.Addr.Port()})
				if len(all) == n {
					_ = json.NewEncoder(os.Stdout).Encode(all)
				}
			})
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// load sends o.n requests, signed beforehand, over o.conns connections, each of
// which is a caller of its own.
func load(o options) error {
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		return err
	}
	bob, err := wallet.FromURI("//Bob")
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(o.addr)
	if err != nil {
		return err
	}
	to := synapse.Target{Hotkey: bob.AccountID(), Addr: addr}
	each := max(o.n/o.conns, 1)
	image := ImageSynapse{Image: o.image(), Prediction: -1}
	requests := make([][][]byte, o.conns)
	errs := make([]error, o.conns)
	var wg sync.WaitGroup
	for i := range o.conns {
		wg.Go(func() { requests[i], errs[i] = sign(alice, to, image, each+1) })
	}
	wg.Wait()
	took := make([]time.Duration, o.conns*each)
	conns := make([]net.Conn, o.conns)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", o.addr); err != nil {
			return err
		}
		defer conns[i].Close()
	}
	// The first request of each connection, when the axon starts what it needs
	// for it, is not measured.
	stage := func(from, to int) {
		for i, conn := range conns {
			wg.Go(func() {
				if errs[i] == nil {
					errs[i] = drive(conn, requests[i][from:to], took[i*each:][:each])
				}
			})
		}
		wg.Wait()
	}
	stage(0, 1)
	start := time.Now()
	stage(1, each+1)
	elapsed := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	slices.Sort(took)
	return json.NewEncoder(os.Stdout).Encode(figures{
		Requests: len(took), PerSecond: float64(len(took)) / elapsed.Seconds(),
		MedianMS: ms(took[len(took)/2]), P99MS: ms(took[len(took)*99/100]),
	})
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func sign(from *wallet.Keypair, to synapse.Target, image ImageSynapse, n int) ([][]byte, error) {
	d := synapse.NewDendrite(synapse.DendriteConfig{Signer: from})
	requests := make([][]byte, n)
	for i := range requests {
		r, err := synapse.NewRequest(d, to, image, 2*time.Minute)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			return nil, err
		}
		requests[i] = b.Bytes()
	}
	return requests, nil
}

func drive(conn net.Conn, requests [][]byte, took []time.Duration) error {
	r := bufio.NewReader(conn)
	for i, request := range requests {
		start := time.Now()
		if _, err := conn.Write(request); err != nil {
			return err
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d: %s", response.StatusCode, body)
		}
		took[i] = time.Since(start)
	}
	return nil
}

// fanout asks all axons named on stdin, o.n times after a first time that opens
// the connections.
func fanout(ctx context.Context, o options) error {
	var all []target
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		return fmt.Errorf("reading targets: %w", err)
	}
	var targets []synapse.Target
	for _, t := range all {
		id, err := ss58.Parse(t.Hotkey)
		if err != nil {
			return err
		}
		addr, err := netip.ParseAddr(t.IP)
		if err != nil {
			return err
		}
		targets = append(targets, synapse.Target{Hotkey: id, Addr: netip.AddrPortFrom(addr, t.Port)})
	}
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		return err
	}
	d := synapse.NewDendrite(synapse.DendriteConfig{Signer: alice})
	defer d.Close()
	image := ImageSynapse{Image: o.image(), Prediction: -1}
	var took []time.Duration
	for i := range o.n + 1 {
		start := time.Now()
		for _, r := range synapse.Query(ctx, d, targets, image, 12*time.Second) {
			if r.Err != nil {
				return r.Err
			}
		}
		if i > 0 {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return json.NewEncoder(os.Stdout).Encode(figures{Requests: o.n * len(targets), MedianMS: ms(took[len(took)/2])})
}
