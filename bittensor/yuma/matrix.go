package yuma

// Cell is one entry of a sparse row: the column's uid and the value.
type Cell struct {
	UID   uint16
	Value Fixed
}

// matrix holds one sparse row per neuron. The order inside a row is the
// order of storage and is kept, since truncating sums depend on it.
type matrix [][]Cell

// newMatrix converts stored rows, each value by conv, dropping columns
// outside the subnet.
func newMatrix(rows [][]Pair, n int, conv func(uint16) Fixed) matrix {
	count := 0
	for _, row := range rows {
		count += len(row)
	}
	cells := make([]Cell, 0, count)
	m := make(matrix, n)
	for i := range min(n, len(rows)) {
		start := len(cells)
		for _, p := range rows[i] {
			if int(p.UID) < n {
				cells = append(cells, Cell{p.UID, conv(p.Value)})
			}
		}
		m[i] = cells[start:len(cells):len(cells)]
	}
	return m
}

// clone copies a matrix so that the copy can be changed in place.
func (m matrix) clone() matrix {
	return m.mapped(func(_ int, c Cell) (Fixed, bool) { return c.Value, true })
}

// mapped builds a matrix from the values f returns for each cell, leaving
// out those for which it returns false.
func (m matrix) mapped(f func(i int, c Cell) (Fixed, bool)) matrix {
	count := 0
	for _, row := range m {
		count += len(row)
	}
	cells := make([]Cell, 0, count)
	out := make(matrix, len(m))
	for i, row := range m {
		start := len(cells)
		for _, c := range row {
			if v, keep := f(i, c); keep {
				cells = append(cells, Cell{c.UID, v})
			}
		}
		out[i] = cells[start:len(cells):len(cells)]
	}
	return out
}

// filter keeps the cells for which keep is true, in place.
func (m matrix) filter(keep func(i int, c Cell) bool) {
	for i, row := range m {
		kept := row[:0]
		for _, c := range row {
			if keep(i, c) {
				kept = append(kept, c)
			}
		}
		m[i] = kept
	}
}

// normalizeRows divides each row by its sum.
func (m matrix) normalizeRows() {
	for _, row := range m {
		var s Fixed
		for _, c := range row {
			s += c.Value
		}
		if s <= 0 {
			continue
		}
		for k := range row {
			row[k].Value = row[k].Value.div(s)
		}
	}
}

// normalizeColumns divides each column by its sum.
func (m matrix) normalizeColumns() {
	sums := make([]Fixed, len(m))
	for _, row := range m {
		for _, c := range row {
			sums[c.UID] = sums[c.UID].add(c.Value)
		}
	}
	m.divideColumns(sums)
}

// upscaleColumns divides each column by its largest value.
func (m matrix) upscaleColumns() {
	largest := make([]Fixed, len(m))
	for _, row := range m {
		for _, c := range row {
			largest[c.UID] = max(largest[c.UID], c.Value)
		}
	}
	m.divideColumns(largest)
}

func (m matrix) divideColumns(by []Fixed) {
	for _, row := range m {
		for k, c := range row {
			if d := by[c.UID]; d != 0 {
				row[k].Value = c.Value.div(d)
			}
		}
	}
}

// rowSums adds up each row.
func (m matrix) rowSums() []Fixed {
	out := make([]Fixed, len(m))
	for i, row := range m {
		for _, c := range row {
			out[i] += c.Value
		}
	}
	return out
}

// mulRows returns, per column j, the sum over rows i of v[i]*m[i][j].
func (m matrix) mulRows(v []Fixed) []Fixed {
	out := make([]Fixed, len(m))
	for i, row := range m {
		for _, c := range row {
			out[c.UID] = out[c.UID].add(v[i].mul(c.Value))
		}
	}
	return out
}

// mulColumns returns, per row i, the sum over columns j of v[j]*m[i][j].
func (m matrix) mulColumns(v []Fixed) []Fixed {
	out := make([]Fixed, len(m))
	for i, row := range m {
		for _, c := range row {
			out[i] = out[i].add(v[c.UID].mul(c.Value))
		}
	}
	return out
}

// clipColumns limits each column to its threshold; cells limited to zero go.
func (m matrix) clipColumns(threshold []Fixed) matrix {
	return m.mapped(func(_ int, c Cell) (Fixed, bool) {
		t := threshold[c.UID]
		if t < c.Value {
			return t, t > 0
		}
		return c.Value, true
	})
}

// dense spreads a row over a vector of zeros; of cells with the same
// column the last stands.
func dense(row []Cell, into []Fixed) {
	clear(into)
	for _, c := range row {
		into[c.UID] = c.Value
	}
}

// interpolate returns a + ratio*(b-a), a and b themselves at the ends.
func interpolate(a, b matrix, ratio Fixed) matrix {
	switch ratio {
	case 0:
		return a
	case one:
		return b
	}
	n := len(a)
	out := make(matrix, n)
	va, vb := make([]Fixed, n), make([]Fixed, n)
	for i := range a {
		if len(a[i]) == 0 && len(b[i]) == 0 {
			continue
		}
		dense(a[i], va)
		dense(b[i], vb)
		for j := range n {
			if v := va[j].add(ratio.mul(vb[j].sub(va[j]))); v > 0 {
				out[i] = append(out[i], Cell{uint16(j), v})
			}
		}
	}
	return out
}
