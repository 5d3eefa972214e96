// Package synapse speaks the request protocol between Bittensor neurons: an
// Axon answers, a Dendrite asks. A synapse is any Go struct; its JSON fields
// travel beside the protocol's own (name, timeout, total_size, header_size,
// dendrite, axon, computed_body_hash), so a Go neuron and one built on the
// Python SDK (6 to 10) understand each other.
//
// A server:
//
//	type Echo struct {
//		Text   string `json:"text"`
//		Answer string `json:"answer"`
//	}
//
//	axon, err := synapse.NewAxon(synapse.AxonConfig{Signer: hotkey})
//	err = synapse.Handle(axon, synapse.Handler[Echo]{
//		Forward: func(ctx context.Context, e *Echo, from synapse.Caller) error {
//			e.Answer = e.Text
//			return nil
//		},
//	})
//	err = axon.Serve(ctx, listener) // ends gracefully when ctx ends
//
// A client:
//
//	d := synapse.NewDendrite(synapse.DendriteConfig{Signer: hotkey})
//	defer d.Close()
//	for _, r := range synapse.Query(ctx, d, targets, Echo{Text: "hi"}, 12*time.Second) {
//		fmt.Println(r.Target.Addr, r.StatusCode, r.Latency, r.Synapse.Answer, r.Err)
//	}
//
// # Requests
//
// A request is POST (or GET) /<SynapseName> with bt_header_* headers and a
// JSON body. The signature covers
// "nonce.dendrite_hotkey.axon_hotkey.uuid.body_hash"; the body hash is SHA3-256
// over the fields tagged `synapse:"hash"`, so of nothing when there are none:
// then the body itself is not authenticated, which is the protocol's choice.
// Fields tagged `synapse:"required"` are announced in bt_header_input_obj_*
// headers, as the Python SDK does for fields without a default.
//
// An axon goes through parse, blacklist, verify, priority, handler, and answers
// at the first that refuses. Nothing of the body is read before the caller is
// verified.
//
// # SDK 11
//
// Requests of SDK 11 (btauth/1, package btauth) come to the same names and port, and
// are told apart by their headers. Their body is the synapse's own fields as JSON, and
// so is the answer. Handlers see the same Caller. The body is read before the caller is
// verified, since the signature covers it; a refusal is {"message": ...} with the same
// statuses, 401 where who calls is not proven. A Go client of such a server uses
// btauth.Transport.
//
// # What differs from the Python SDK
//
// Headers are the same set with the same spelling, but net/http writes them in
// alphabetical order. total_size and header_size are, in Python, sizes of
// objects in CPython's memory; they are computed here from CPython 3.11's
// object sizes and equal the recorded ones for strings, numbers and lists.
// The uuid is a random one, since a version 1 uuid tells the machine's network
// address. The axon caps the timeout that a caller may claim (it widens the
// window for old nonces and is not signed), and bounds the memory of nonces.
package synapse
