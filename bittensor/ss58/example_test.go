package ss58_test

import (
	"errors"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func ExampleParse() {
	id, err := ss58.Parse("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY")
	fmt.Printf("%x %v\n", id[:4], err)
	fmt.Println(id)
	_, err = ss58.Parse("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ")
	fmt.Println(errors.Is(err, ss58.ErrChecksum))
	// Output:
	// d43593c7 <nil>
	// 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY
	// true
}
