// Command schemas holds files against the schemas of who reads them:
//
//	schemas kubernetes FILE.yaml…     against Kubernetes' own API, as k8s.io/client-go has it
//	schemas image ARCHIVE…            against the OCI image specification
//
// It prints what is wrong, and asks no other host: the modules that go.mod pins have the schemas.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: schemas kubernetes FILE.yaml… | schemas image ARCHIVE…")
	}
	checks := map[string]func(string) error{"kubernetes": kubernetes, "image": image}
	check, ok := checks[args[0]]
	if !ok {
		return fmt.Errorf("%s: there are schemas for kubernetes and image", args[0])
	}
	var errs []error
	for _, name := range args[1:] {
		if err := check(name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
