package btauth_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/btauth"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// A server that knows who asks, and a client that says so.
func Example() {
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		log.Fatal(err)
	}
	bob, err := wallet.FromURI("//Bob")
	if err != nil {
		log.Fatal(err)
	}
	verifier := btauth.Verifier{Self: bob.AccountID()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			return
		}
		caller, err := verifier.Verify(r.Method, r.RequestURI, r.Header, body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "%s says %s", caller.Hotkey, body)
	}))
	defer server.Close()

	for _, client := range []*http.Client{
		{Transport: &btauth.Transport{Signer: alice, Receiver: bob.AccountID()}},
		http.DefaultClient,
	} {
		response, err := client.Post(server.URL+"/generate?n=1", "text/plain", strings.NewReader("hello"))
		if err != nil {
			log.Fatal(err)
		}
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		fmt.Println(response.StatusCode, strings.TrimSpace(string(answer)))
	}
	// Output:
	// 200 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY says hello
	// 401 MalformedAuth: missing or unsupported X-Bittensor-Version (expected '1')
}
