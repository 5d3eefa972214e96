// Command btauth is our side of the btauth part of the interop run: an axon for SDK 11
// to ask, and a client that asks a server which verifies with SDK 11.
//
//	btauth axon                 serves Echo as //Bob and prints its address
//	btauth client URL           asks as //Alice, //Bob being the receiver
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/maxmos001/bitmind-subnet/bittensor/btauth"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "axon":
		err = axon(ctx)
	case len(os.Args) == 3 && os.Args[1] == "client":
		err = client(ctx, os.Args[2])
	default:
		err = errors.New("usage: btauth axon | btauth client URL")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

type echo struct {
	Text   string `json:"text"`
	Caller string `json:"caller"`
}

func axon(ctx context.Context) error {
	bob, err := wallet.FromURI("//Bob")
	if err != nil {
		return err
	}
	a, err := synapse.NewAxon(synapse.AxonConfig{Signer: bob})
	if err != nil {
		return err
	}
	eve, err := wallet.FromURI("//Eve")
	if err != nil {
		return err
	}
	err = synapse.Handle(a, synapse.Handler[echo]{
		Name: "Echo",
		Blacklist: func(_ context.Context, from synapse.Caller) (bool, string) {
			return from.Hotkey == eve.AccountID(), "not her"
		},
		Forward: func(_ context.Context, e *echo, from synapse.Caller) error {
			e.Caller = from.Hotkey.String()
			return nil
		}})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return a.Serve(ctx, l)
}

// client prints a line for each request: what the server answered.
func client(ctx context.Context, url string) error {
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		return err
	}
	bob, err := wallet.FromURI("//Bob")
	if err != nil {
		return err
	}
	signing := &http.Client{Transport: &btauth.Transport{Signer: alice, Receiver: bob.AccountID()}}
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/generate", `{"prompt": "h\u00e9llo ✓"}`},
		{"GET", "/v1/x?y=1&z=%20a&empty=", ""},
		{"PUT", "/a%2Fb/c", strings.Repeat("x", 100_000)},
	} {
		request, err := http.NewRequestWithContext(ctx, r.method, url+r.path, strings.NewReader(r.body))
		if err != nil {
			return err
		}
		response, err := signing.Do(request)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
		fmt.Printf("%s %s: %d %s\n", r.method, r.path, response.StatusCode, answer)
	}
	return nil
}
