# The deliveries of a session that are not settled (§2.6.12), in the order of their delivery-ids: those that went out
# and those that came in.
#
# Ids grow, so the entries are a queue: a ring of ids beside a ring of deliveries, searched by halves. What is taken out
# of turn leaves a gap, which goes when it comes to an end of the queue, or when room is made. All order is
# that of the distance from the first entry's id modulo 2**32: ids wrap where they like, and a range costs what is in
# it, not what it claims.

cdef enum:
    RING_START = 16
    RING_KEPT = 4096  # a ring that is larger than this, and nearly empty, is made smaller

cdef uint64_t settle_calls = 0


@cython.internal
cdef class DeliveryRing:
    """Deliveries by delivery-id; what is common to both directions."""

    cdef list ring  # deliveries, or None for gaps and free places; a list, so the garbage collector looks inside
    cdef uint32_t* ids
    cdef Py_ssize_t capacity  # a power of two, of both
    cdef Py_ssize_t head  # where the first entry is
    cdef Py_ssize_t span  # entries and gaps, from the first entry to the last
    cdef Py_ssize_t count  # entries alone

    def __cinit__(self):
        self.ring = []

    def __dealloc__(self):
        PyMem_Free(self.ids)

    def __len__(self):
        """How many deliveries are here."""
        return self.count

    def __repr__(self):
        return f"<{type(self).__name__} of {self.count}>"

    # An index counts from the first entry, gaps included; its place is where it is in both rings.

    cdef inline Py_ssize_t place(self, Py_ssize_t index) noexcept:
        return (self.head + index) & (self.capacity - 1)

    cdef inline uint32_t distance(self, Py_ssize_t index) noexcept:
        """Say how far the id at an index is from the first entry's."""
        return self.ids[self.place(index)] - self.ids[self.head]

    cdef inline int check(self) except -1:
        """The ring is an ordinary list: make sure that nobody, as the garbage collector may, has emptied it."""
        if self.ring is None or len(self.ring) != self.capacity:
            raise RuntimeError("the index was torn down")
        return 0

    cdef inline int append(self, uint32_t delivery_id, object delivery) except -1:
        """Put a delivery at the end; there the caller knows, or sees to it, that it belongs."""
        cdef Py_ssize_t place
        if self.span == self.capacity:
            self.rebuild()
        place = self.place(self.span)
        self.ids[place] = delivery_id
        self.ring[place] = delivery
        self.span += 1
        self.count += 1
        return 0

    cdef inline int make_gap(self, Py_ssize_t index) except -1:
        """Take out the delivery at an index; the caller holds it, and trims when it is done."""
        self.ring[self.place(index)] = None
        self.count -= 1
        return 0

    cdef Py_ssize_t search(self, uint32_t distance) noexcept:
        """Find the first index whose id is that far from the first entry's, or farther."""
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t high = self.span
        cdef Py_ssize_t middle
        if distance < high and self.distance(distance) == distance and (
            distance == 0 or self.distance(distance - 1) < distance
        ):
            return distance  # nothing is missing in between, as mostly
        while low < high:
            middle = (low + high) >> 1
            if self.distance(middle) < distance:
                low = middle + 1
            else:
                high = middle
        return low

    cdef list find_range(self, uint32_t first, uint32_t last, bint take):
        """Collect the deliveries whose ids are first, first + 1, … last, and take them out if so wanted."""
        cdef list found = []
        self.check()
        if self.span == 0:
            return found
        first -= self.ids[self.head]
        last -= self.ids[self.head]
        if first <= last:
            self.collect(first, last, take, found)
        else:  # the range begins before the first entry
            self.collect(0, last, take, found)
            self.collect(first, 0xFFFFFFFF, take, found)
        if take:
            self.trim()
        return found

    cdef int collect(self, uint32_t first, uint32_t last, bint take, list found) except -1:
        """Collect what lies between two distances, both included."""
        cdef Py_ssize_t index = self.search(first)
        while index < self.span and self.distance(index) <= last:
            delivery = self.ring[self.place(index)]
            if delivery is not None:
                found.append(delivery)
                if take:
                    self.make_gap(index)
            index += 1
        return 0

    cdef int trim(self) except -1:
        """Drop the gaps at both ends; where most of large rings is free, move to smaller ones."""
        while self.span and self.ring[self.head] is None:
            self.head = self.place(1)
            self.span -= 1
        while self.span and self.ring[self.place(self.span - 1)] is None:
            self.span -= 1
        if self.capacity > RING_KEPT and self.capacity > 8 * self.count:
            self.rebuild()
        return 0

    cdef int rebuild(self) except -1:
        """Move the entries, without gaps, to rings that have room for as many again."""
        cdef Py_ssize_t capacity = RING_START
        cdef Py_ssize_t index
        cdef Py_ssize_t target = 0
        cdef uint32_t* ids
        cdef list ring
        while capacity < 2 * self.count:
            capacity *= 2
        ring = [None] * capacity
        ids = <uint32_t*>PyMem_Malloc(capacity * sizeof(uint32_t))
        if ids == NULL:
            raise MemoryError()
        for index in range(self.span):
            delivery = self.ring[self.place(index)]
            if delivery is not None and target < capacity:
                ring[target] = delivery
                ids[target] = self.ids[self.place(index)]
                target += 1
        PyMem_Free(self.ids)
        self.ids = ids
        self.ring = ring
        self.capacity = capacity
        self.head = 0
        self.span = self.count = target
        return 0


@cython.final
cdef class UnsettledIndex(DeliveryRing):
    """The unsettled deliveries that one session has sent.

    The tallies of the deliveries' senders are kept in step.

    Attributes:
        next_id: the delivery-id that an Outlet gives next; it wraps.
    """
    cdef public uint32_t next_id

    def add(self, OutgoingDelivery delivery not None):
        """Take in a delivery that was just given its id.

        Raises:
            ValueError: the id is not beyond the ids that are here.
        """
        self.take_in(delivery)

    cdef int take_in(self, OutgoingDelivery delivery) except -1:
        cdef uint32_t delivery_id = delivery.delivery_id
        self.check()
        if delivery.tally is None:
            raise ValueError("the delivery was never initialized")
        if self.span and delivery_id - self.ids[self.head] <= self.distance(self.span - 1):
            raise ValueError(f"delivery-id {delivery_id} is not beyond those that are here")
        self.append(delivery_id, delivery)
        delivery.tally.count += 1
        delivery.tally.size += delivery.size
        return 0

    def settle(self, uint32_t first, uint32_t last, state, bint settled):
        """Apply a disposition of the receiver.

        Args:
            first: the first delivery-id of the range.
            last: the last one; the range goes up from first and wraps, so it is never empty.
            state: the state of all of them; None leaves each the state it has.
            settled: whether the receiver has settled: then they leave the index.

        Returns:
            The tallies of the senders concerned, each once; and the deliveries that want a look: those that somebody
            waits for, that are not settled, or whose state is not accepted.
        """
        global settle_calls
        cdef list found = self.find_range(first, last, settled)
        cdef list touched = []
        cdef list attention = []
        cdef OutgoingDelivery delivery
        cdef SenderTally tally
        settle_calls += 1
        state = shared_state(state)
        accepted = accepted_state()
        for item in found:
            delivery = <OutgoingDelivery>item
            tally = delivery.tally
            if tally.mark != settle_calls:
                tally.mark = settle_calls
                touched.append(tally)
            if state is not None:
                delivery.state = state
            if settled:
                count_off(delivery)
                delivery.settled = True
                if delivery.state is accepted:
                    tally.accepted += 1
                else:
                    tally.refused += 1
            if delivery.waiter is not None or not settled or delivery.state is not accepted:
                attention.append(delivery)
        return touched, attention

    def remove(self, OutgoingDelivery delivery not None):
        """Take one out that is given up; say whether it was here."""
        cdef Py_ssize_t index
        self.check()
        if self.span == 0:
            return False
        index = self.search(delivery.delivery_id - self.ids[self.head])
        if index == self.span or self.ring[self.place(index)] is not delivery:
            return False
        self.make_gap(index)
        count_off(delivery)
        self.trim()
        return True

    def take_all(self, SenderTally tally=None):
        """Take out all deliveries of one sender, in order; those of all senders if no tally is given."""
        cdef list taken = []
        cdef OutgoingDelivery delivery
        cdef Py_ssize_t index
        self.check()
        for index in range(self.span):
            item = self.ring[self.place(index)]
            if item is None:
                continue
            delivery = <OutgoingDelivery>item
            if tally is None or delivery.tally is tally:
                taken.append(delivery)
                self.make_gap(index)
                count_off(delivery)
        self.trim()
        return taken


cdef inline int count_off(OutgoingDelivery delivery) except -1:
    delivery.tally.count -= 1
    delivery.tally.size -= delivery.size
    return 0


@cython.final
cdef class IncomingIndex(DeliveryRing):
    """The unsettled deliveries that one session has got."""

    def add(self, Delivery delivery not None):
        """Take in a delivery.

        The peer numbers them, and should do so upward; what comes out of order is found all the same.
        """
        self.check()
        self.put(delivery)

    def extend(self, list deliveries not None):
        """Take in the deliveries of a run."""
        self.check()
        for delivery in deliveries:
            self.put(<Delivery?>delivery)

    def discard(self, uint32_t delivery_id):
        """Take out the delivery that has this id; say whether one was here."""
        return self.take_out(delivery_id)

    cdef bint take_out(self, uint32_t delivery_id) except -1:
        cdef Py_ssize_t index
        cdef uint32_t distance
        self.check()
        if self.span == 0:
            return False
        distance = delivery_id - self.ids[self.head]
        index = self.search(distance)
        while index < self.span and self.distance(index) == distance:
            if self.ring[self.place(index)] is not None:
                self.make_gap(index)
                self.trim()
                return True
            index += 1
        return False

    def settle(self, uint32_t first, uint32_t last, state, bint settled):
        """Apply a disposition of the sender.

        Args:
            first: the first delivery-id of the range.
            last: the last one; the range goes up from first and wraps, so it is never empty.
            state: the sender's state of them; None leaves each the `remote_state` it has.
            settled: whether the sender has settled: then they leave the index, settled.

        Returns:
            The deliveries concerned, in order.
        """
        cdef list found = self.find_range(first, last, settled)
        cdef Delivery delivery
        for item in found:
            delivery = <Delivery>item
            if state is not None:
                delivery.remote_state = state
            if settled:
                delivery.remote_settled = delivery.settled = True
        return found

    def take_all(self, receiver=None):
        """Take out all deliveries of one receiver, in order; those of all if none is given."""
        cdef list taken = []
        cdef Delivery delivery
        cdef Py_ssize_t index
        self.check()
        for index in range(self.span):
            item = self.ring[self.place(index)]
            if item is None:
                continue
            delivery = <Delivery>item
            if receiver is None or delivery.receiver is receiver:
                taken.append(delivery)
                self.make_gap(index)
        self.trim()
        return taken

    cdef inline int put(self, Delivery delivery) except -1:
        cdef uint32_t delivery_id = delivery.delivery_id
        self.append(delivery_id, delivery)
        if self.span > 1 and self.distance(self.span - 1) <= self.distance(self.span - 2):
            self.sink()
        return 0

    cdef int sink(self) except -1:
        """Move the last entry to where its id belongs."""
        cdef Py_ssize_t index = self.span - 1
        cdef Py_ssize_t here, before
        while index > 1 and self.distance(index) < self.distance(index - 1):
            here = self.place(index)
            before = self.place(index - 1)
            self.ids[here], self.ids[before] = self.ids[before], self.ids[here]
            self.ring[here], self.ring[before] = self.ring[before], self.ring[here]
            index -= 1
        return 0
