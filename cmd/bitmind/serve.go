package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/models"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
)

type serveOptions struct {
	service   serviceFlags
	store     storeFlags
	models    []string
	model     modelFlags
	endpoints string
	// network is a validator to ask in place of a detector, authorization what it
	// lets in with.
	network, authorization string
}

func newServeCmd() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API and the page: is this picture AI-generated?",
		Long: `serve answers programs (API v1, described at /docs and /openapi.json) and people (a
page at /) about pictures, with a detector on this machine, or with --network through
a running validator (bitmind validator --listen, or one of the Python project), which
asks the best miners of its subnet.

It listens on this machine only, where no key is needed. On another address it asks
for the keys that bitmind keys makes, and without any it does not start, unless
--insecure says so. Of a picture only its hash and the verdict are kept, unless its
sender asks for more (retain).

Runs until interrupted: requests under way are finished first.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind serve                                    # http://127.0.0.1:8080
  curl -F file=@photo.jpg http://127.0.0.1:8080/v1/detect
  bitmind serve --model best --model fast --listen 127.0.0.1:0
  bitmind serve --network https://validator.example.com --network.authorization "Bearer bm_…"
  bitmind keys create --name shop && bitmind serve --listen 0.0.0.0:8080
  bitmind serve --cors.origin https://example.com --webhook.allow hooks.internal:8443`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.service.addTo(cmd)
	o.store.addTo(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.models, "model", nil, "detector: a folder, a file, or one inside the program: "+defaultModels+" (repeatable, the first one decides; default "+models.Default+")")
	f.StringVar(&o.network, "network", "", "address of a validator whose miners judge; a --model then answers beside them")
	f.StringVar(&o.authorization, "network.authorization", "", `what that validator lets in: "Bearer " and a key of its, or the public key of its credentials in base64; better set as BITMIND_NETWORK_AUTHORIZATION`)
	f.StringVar(&o.endpoints, "endpoints", "", "write the address to this file, as JSON, once the server listens")
	o.model.addRuntimeTo(cmd)
	return cmd
}

func (o *serveOptions) run(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	var validator *proxy.Client
	switch {
	case o.network != "":
		if validator, err = proxy.NewClient(o.network, o.authorization, nil); err != nil {
			return usagef("--network: %w", err)
		}
	case o.authorization != "":
		return usagef("--network.authorization is for --network; try: --network https://validator.example.com")
	}
	listener, err := listen("--listen", o.service.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := o.service.open(ctx, listener, o.store.url, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	s.load = func() ([]inspect.Model, error) { return openModels(o.models, o.model, log) }
	if validator != nil {
		s.inspect.Network = validator
		if len(o.models) == 0 {
			s.load = func() ([]inspect.Model, error) { return nil, nil }
		}
	}
	s.failed = func(err error) error { return err }
	address := "http://" + listener.Addr().String()
	if o.endpoints != "" {
		if err := writeJSON(o.endpoints, endpoints{HTTP: address}); err != nil {
			return fmt.Errorf("--endpoints: %w; try: a path that you can write to", err)
		}
		defer os.Remove(o.endpoints)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "page %s\ndocs %s/docs\n", address, address)
	return s.run(ctx, listener)
}
