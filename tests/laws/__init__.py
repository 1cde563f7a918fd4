"""What must hold in every state, checked on random plays."""
