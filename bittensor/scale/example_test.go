package scale_test

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
)

func Example() {
	var e scale.Encoder
	e.Compact(300)
	e.Text("hello")
	fmt.Printf("%x\n", e.Bytes())

	d := scale.NewDecoder(e.Bytes())
	n, err := d.Compact()
	fmt.Println(n, err)
	s, err := d.Text()
	fmt.Println(s, err)
	_, err = d.Text()
	fmt.Println(err)
	// Output:
	// b1041468656c6c6f
	// 300 <nil>
	// hello <nil>
	// byte 8: input ends too early: 1 wanted, 0 left
}
